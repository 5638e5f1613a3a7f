"""What workers say to each other, generated from proto/fenliu/workers/v1 (`make proto`)."""
