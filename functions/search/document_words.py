"""The words of the document of a sighting."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, Mapping[str, str]] = {
    "pt-BR": {
        "title": "Registro de passagem de veículo", "document": "Documento", "plate": "Placa", "none": "sem placa",
        "read": "Lida como", "confidence": "Confiança da leitura", "corrected": "Conferida por pessoa",
        "uncertain": "Leitura incerta", "yes": "sim", "no": "não", "format": "Formato", "seen": "Passagem",
        "from": "Início", "to": "Fim", "utc": "UTC", "vehicle": "Veículo", "type": "Tipo", "color": "Cor",
        "direction": "Sentido", "camera": "Câmera", "place": "Local", "coordinates": "Coordenadas",
        "heading": "Voltada para", "pictures": "Imagens", "picture.vehicle": "Veículo", "picture.plate": "Placa",
        "picture.missing": "A imagem já foi apagada.", "readings": "Leituras", "candidates": "Leituras possíveis",
        "time": "Hora", "corrections": "Correções", "custody": "Cadeia de custódia",
        "custody.none": "Nenhum acesso anterior consta do registro de auditoria.",
        "custody.row": "linha", "by": "por", "asked": "Emitido para", "reason": "Motivo",
        "reason.none": "não informado",
        "made": "Emitido em", "hashes": "Integridade (SHA-256)", "record": "Registro (record.json)",
        "hash.stored": "Ao ser gravada", "hash.same": "A imagem é a mesma que foi gravada no momento da passagem.",
        "hash.differs": "ATENÇÃO: a imagem NÃO é a que foi gravada no momento da passagem.",
        "hash.unknown": "O valor ao ser gravada não foi anotado.",
        "attached": "O registro e as imagens originais estão anexados a este PDF: quem recalcular o SHA-256 de cada "
        "anexo obtém os valores acima. O número do documento é a linha do registro de auditoria que a emissão gravou; "
        "nela constam os mesmos valores, e a corrente do registro se prova com `gtvision audit verify`.",
        "limits": "A placa foi lida por reconhecimento automático, que pode errar. A confiança é a probabilidade "
        "estimada de que todo o texto esteja certo. Confira a imagem.",
        "page": "Página", "before": "antes", "after": "depois", "person": "pessoa", "reread": "releitura",
        "detections.show": "aberta", "detections.correct": "corrigida ou conferida", "detections.reread": "relida",
        "detections.evidence": "documento emitido", "detections.export": "em lista exportada",
        "detections.reveal": "placa revelada", "detections.search": "encontrada em busca",
        "car": "carro", "motorcycle": "moto", "bus": "ônibus", "truck": "caminhão", "white": "branco",
        "silver": "prata", "grey": "cinza", "black": "preto", "red": "vermelho", "blue": "azul", "green": "verde",
        "yellow": "amarelo", "brown": "marrom", "other": "outra", "towards": "aproximando-se", "away": "afastando-se",
        "left": "para a esquerda", "right": "para a direita",
    },
    "en": {
        "title": "Record of a vehicle's passage", "document": "Document", "plate": "Plate", "none": "no plate",
        "read": "Read as", "confidence": "Confidence of the reading", "corrected": "Checked by a person",
        "uncertain": "Uncertain reading", "yes": "yes", "no": "no", "format": "Format", "seen": "Passage",
        "from": "Began", "to": "Ended", "utc": "UTC", "vehicle": "Vehicle", "type": "Type", "color": "Colour",
        "direction": "Direction", "camera": "Camera", "place": "Place", "coordinates": "Coordinates",
        "heading": "Looks towards", "pictures": "Pictures", "picture.vehicle": "Vehicle", "picture.plate": "Plate",
        "picture.missing": "The picture has been deleted since.", "readings": "Readings",
        "candidates": "Possible readings", "time": "Time", "corrections": "Corrections", "custody": "Chain of custody",
        "custody.none": "The audit log has no earlier access.", "custody.row": "row", "by": "by",
        "asked": "Issued to", "reason": "Reason", "reason.none": "not given", "made": "Issued at",
        "hashes": "Integrity (SHA-256)", "record": "Record (record.json)",
        "hash.stored": "When stored", "hash.same": "The picture is the one that was stored at the passage.",
        "hash.differs": "WARNING: the picture is NOT the one that was stored at the passage.",
        "hash.unknown": "Its value when stored was not noted.",
        "attached": "The record and the original pictures are attached to this PDF: whoever computes the SHA-256 of "
        "each attachment gets the values above. The document's number is the row of the audit log that was written "
        "when it was issued; it holds the same values, and `gtvision audit verify` proves the log's chain.",
        "limits": "The plate was read by automatic recognition, which can err. The confidence is the estimated "
        "probability that the whole text is right. Look at the picture.",
        "page": "Page", "before": "before", "after": "after", "person": "person", "reread": "read again",
        "detections.show": "opened", "detections.correct": "corrected or confirmed", "detections.reread": "read again",
        "detections.evidence": "document issued", "detections.export": "in an exported list",
        "detections.reveal": "plate revealed", "detections.search": "found by a search",
        "car": "car", "motorcycle": "motorcycle", "bus": "bus", "truck": "truck", "white": "white", "silver": "silver",
        "grey": "grey", "black": "black", "red": "red", "blue": "blue", "green": "green", "yellow": "yellow",
        "brown": "brown", "other": "other", "towards": "towards the camera", "away": "away from the camera",
        "left": "to the left", "right": "to the right",
    },
}  # fmt: skip
