"""Examples in docstrings: not of what runs in packages of its own, which are not installed beside ours."""

collect_ignore = ["flink/job.py", "quix/job.py"]
