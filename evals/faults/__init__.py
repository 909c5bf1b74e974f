"""What a run survives: processes that are killed, services that misbehave, disks and clocks that fail."""
