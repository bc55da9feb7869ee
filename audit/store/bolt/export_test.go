package bolt

// CloseFile closes the file below bbolt, so that the next write fails.
func (d *DB) CloseFile() error { return d.file.Close() }
