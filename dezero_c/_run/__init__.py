"""Running programs and notebooks as DeZero's: `python -m dezero_c`, and what it tells."""
