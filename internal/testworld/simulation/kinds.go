package simulation

import "slices"

// FaultKinds names all that can go wrong in a run.
func FaultKinds() []string {
	var out []string
	for _, k := range slices.Concat(faultKinds, gateKinds) {
		if !slices.Contains(out, k.name) {
			out = append(out, k.name)
		}
	}
	return out
}
