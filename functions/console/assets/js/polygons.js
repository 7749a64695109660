// Polygons of corners [x, y] in parts of the picture: whether one is sound, as the API will judge it.

const FLAT = 1e-12;
const MIN_AREA = 1e-6;
export const MAX_POLYGONS = 16;
export const MAX_CORNERS = 32;

/** "twice", "crosses" or "area" for what is no simple polygon; null for what is one. */
export function fault(corners) {
  if (new Set(corners.map(String)).size < corners.length) return "twice";
  if (crosses(corners)) return "crosses";
  return area(corners) < MIN_AREA ? "area" : null;
}

export function area(corners) {
  const sum = corners.reduce((total, [x, y], place) => {
    const [nextX, nextY] = corners[(place + 1) % corners.length];
    return total + x * nextY - nextX * y;
  }, 0);
  return Math.abs(sum) / 2;
}

/** A number of the picture: from 0 to 1, and no finer than a pixel of the largest. */
export function part(value) {
  return Math.round(Math.min(1, Math.max(0, value)) * 10_000) / 10_000;
}

function crosses(corners) {
  const count = corners.length;
  const side = (place) => [corners[place], corners[(place + 1) % count]];
  for (let one = 0; one < count; one += 1) {
    for (let other = one + 1; other < count; other += 1) {
      const wrong =
        other === one + 1 ? turnsBack(corners[one], ...side(other))
        : one === 0 && other === count - 1 ? turnsBack(corners[other], ...side(one))
        : meet(...side(one), ...side(other));
      if (wrong) return true;
    }
  }
  return false;
}

function turn(a, b, c) {
  const value = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
  return Math.abs(value) < FLAT ? 0 : value;
}

function turnsBack(a, b, c) {
  return turn(a, b, c) === 0 && (b[0] - a[0]) * (c[0] - b[0]) + (b[1] - a[1]) * (c[1] - b[1]) < 0;
}

function meet(a, b, c, d) {
  const turns = [turn(a, b, c), turn(a, b, d), turn(c, d, a), turn(c, d, b)];
  if (turns[0] * turns[1] < 0 && turns[2] * turns[3] < 0) return true;
  return [[a, b, c], [a, b, d], [c, d, a], [c, d, b]].some((three, place) => turns[place] === 0 && within(...three));
}

function within(a, b, point) {
  return [0, 1].every((axis) => Math.min(a[axis], b[axis]) <= point[axis] && point[axis] <= Math.max(a[axis], b[axis]));
}
