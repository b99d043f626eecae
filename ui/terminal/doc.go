// Package terminal shows the snapshots of a pair to people: one line for
// scripts, a live view on a terminal, plain lines where there is none. What it
// shows comes from nodes and networks, so every text is cleaned first.
package terminal
