"""What tests of commands take from those of bench: its hand-made bundle, and a report on it."""

from tests.bench.conftest import bench_bundle, report

__all__ = ["bench_bundle", "report"]
