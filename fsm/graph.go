package fsm

import "github.com/looplab/fsm"

// Mermaid draws the table as a Mermaid state diagram, sorted, so that it can be compared.
func Mermaid() string { return visualize(fsm.MermaidStateDiagram) }

// DOT draws the table for Graphviz.
func DOT() string { return visualize(fsm.GRAPHVIZ) }

func visualize(kind fsm.VisualizeType) string {
	out, err := fsm.VisualizeWithType(New(nil).m, kind)
	if err != nil {
		// Only an unknown kind fails, and both are constants of the library.
		panic(err)
	}
	return out
}
