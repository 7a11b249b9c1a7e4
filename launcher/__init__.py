"""`fhv`: named, persistent machines on plain Docker; the DNS zone is their inventory."""
