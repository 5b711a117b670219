"""Results measured outside runs (benchmarks, samples, inspections, surveys), as torch-free values."""
