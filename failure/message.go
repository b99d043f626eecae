package failure

// Message returns the text of err; "" for nil.
func Message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
