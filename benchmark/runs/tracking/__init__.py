"""Logging a run where people watch their experiments: TensorBoard, W&B, MLflow, or a CSV file."""
