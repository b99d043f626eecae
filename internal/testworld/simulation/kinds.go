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

// IncidentKinds names the incidents of the coordinated era's runs; what else goes wrong in
// them is among FaultKinds.
func IncidentKinds() []string {
	var out []string
	for _, k := range incidentKinds {
		out = append(out, k.name)
	}
	return out
}
