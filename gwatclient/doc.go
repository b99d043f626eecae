// Package gwatclient makes calls to one gwat node over HTTP, WebSocket or IPC. It
// knows the forms of calls and answers, their errors and limits. It knows nothing
// of stages: what a call is for is its caller's concern.
//
// [Client] has a method for each call. Calls that change gwat's state have a
// connection of their own and are never repeated; after an error, [PossiblyDone]
// reports whether gwat may have carried the call out. Over HTTP, calls that change
// nothing are repeated once, on a fresh connection, when no answer came.
package gwatclient
