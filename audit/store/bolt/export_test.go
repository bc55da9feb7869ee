package bolt

// CloseFile closes the file below bbolt, so that the next write fails.
func (d *DB) CloseFile() error { return d.file.Close() }

// NoSync makes the store answer before anything is durable, as a mistaken
// option would.
func (d *DB) NoSync() { d.db.NoSync = true }
