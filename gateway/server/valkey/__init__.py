"""The bundled Valkey: its configuration, its process, and the repair of its files after a power loss."""
