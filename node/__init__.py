"""The edges: composition root, engine, LevelDB, API, command line, configuration, logs."""
