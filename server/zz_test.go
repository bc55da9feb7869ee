package server_test
import "testing"
func TestZZ(t *testing.T) {
	w := newTwin(t, "nsns")
	_, err := w.safety().ReportAdverseEvent(w.as("es-north"), w.late("S-0"))
	t.Log(err, w.lastLine())
	_, err = w.safety().ReportAdverseEvent(w.as("tc-osl"), w.late("S-0"))
	t.Log(err, w.lastLine())
	w.takeLock()
	_, _, _, err = w.download("dm", 1)
	t.Log(err, w.lastLine())
}
