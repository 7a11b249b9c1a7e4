"""The libnetwork remote driver `fullhost`: a container gets the address that DNS gives its name."""
