"""Where studies are kept, who holds which trial, and what waits."""
