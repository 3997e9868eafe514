"""What users run beside a node: keystore, SDK, light client; knows the chain, not the node."""
