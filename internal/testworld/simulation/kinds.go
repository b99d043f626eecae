package simulation

// FaultKinds names all that can go wrong in a run.
func FaultKinds() []string {
	out := make([]string, len(faultKinds))
	for i, k := range faultKinds {
		out[i] = k.name
	}
	return out
}
