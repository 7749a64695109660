"""How GT-Vision is built and run; `python -m infra.generate` writes what follows from stack.yml and the topology."""
