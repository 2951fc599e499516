"""What agents and gateways import."""
