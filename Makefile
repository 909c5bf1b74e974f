.PHONY: check test

check:
	uv run ruff check .
	uv run ruff format --check .
	uv run lint-imports
	uv run pyright

test:
	uv run pytest
