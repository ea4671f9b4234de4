"""What convexkit is for: whole applications, each built from its public parts only."""
