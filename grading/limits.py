"""What a submission may use while it is graded."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits on one submission; times in seconds of wall clock, sizes in megabytes."""

    cell_seconds: float = 60.0
    test_seconds: float = 20.0
    total_seconds: float = 300.0
    memory_mb: float = 2000.0
    file_mb: float = 20.0
    notebook_mb: float = 20.0
    output_mb: float = 1.0
    restarts: int = 3
