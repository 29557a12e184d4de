"""What the job costs, measured beside the plain way of doing the same."""
