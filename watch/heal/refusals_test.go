package heal

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gwatsync/syncd/internal/testworld/section"
)

var update = flag.Bool("update", false, "write the generated documents again")

// refusals are the texts that say why a heal is not made, as the code has them, by what they
// are about.
var refusals = []struct{ text, heals, do string }{
	{"observe is set", "all", "nothing is healed with `observe`; take it out"},
	{"paused", "all", "`syncd resume`"},
	{"the network is not known yet", "all", "wait until both nodes have answered once"},
	{"a node does not answer", "all", "start the node, or correct its endpoint"},
	{"gwat loads from its peers", "all", "wait: a call of the beacon node runs"},
	{"gwat does not report its peers at this endpoint, only over IPC", "peers", "set `gwat.endpoint` to gwat's IPC socket"},
	{"gwat has peers (%d)", "peers", "nothing: peers are not what gwat lacks"},
	{"gwat is in normal work", "peers", "nothing"},
	{"no peer that gwat had before is known, and ", "peers", "give gwat a peer by hand (`admin_addPeer`), or see the text that follows"},
	{"%w: gwat lacks spines of the first epoch after its checkpoint: it needs a peer", "peers", "give gwat a peer by hand (`admin_addPeer`)"},
	{"whether the beacon node has the block of gwat's checkpoint is not known", "checkpoint", "wait for the next poll; if it stays, look at what the beacon node answers"},
	{"gwat's checkpoint is a block of the beacon node's chain", "checkpoint", "nothing: the checkpoint is right"},
	{"%w: the beacon node has the block of gwat's checkpoint", "checkpoint", "nothing: the checkpoint is right"},
	{"%w: gwat has this checkpoint already", "checkpoint", "nothing: it was exchanged meanwhile"},
	{"the beacon node syncs itself: its head is %d slots behind the clock", "checkpoint", "wait until the beacon node is synced"},
	{"gwat was driven further than the beacon's head: the beacon node may not have loaded the block of its checkpoint yet", "checkpoint", "wait until the beacon's head has passed that epoch; if it does not move, look at the beacon node"},
	{"%w: gwat was driven to epoch %d, the beacon's head is of epoch %d", "checkpoint", "as above"},
	{"the beacon node has no peers: its chain may be its own", "checkpoint", "give the beacon node peers"},
	{"the beacon's justified checkpoint is %d epochs behind the clock: its chain may be its own", "checkpoint", "compare the beacon's head with another node of the network"},
	{"private_fork is active", "peers, checkpoint, drive", "see [`private_fork`](#private_fork)"},
	{"%w: the state of the finalized block names no spine", "checkpoint", "look at what the beacon node answers"},
	{"%w: the beacon node has finalized nothing yet", "checkpoint", "wait for the first finalized epoch"},
	{"%w: the finalized block %s is not canonical", "checkpoint", "restart the beacon node: it contradicts itself"},
	{"%w: gwat does not have the checkpoint's spine %s", "checkpoint", "see the remedy of [`foreign_checkpoint`](#foreign_checkpoint): gwat has to sync again"},
	{"%w: the checkpoint's spine %s is not final in gwat", "peers, checkpoint, drive", "as above; such a call would cost gwat blocks"},
	{"the beacon node does not have the block of gwat's checkpoint", "peers, drive", "see [`foreign_checkpoint`](#foreign_checkpoint)"},
	{"the beacon node syncs itself", "peers, drive", "wait until the beacon node is synced"},
	{"the beacon's justified checkpoint is %d epochs behind its head: its chain may be its own", "peers, drive", "compare the beacon's head with another node of the network"},
	{"gwat has no peers: these calls need one", "drive", "set `heal.peers`, or give gwat a peer by hand (`admin_addPeer`)"},
	{"gwat has what the beacon's head finalizes: there is nothing to drive it to before the next head", "drive", "wait for the next head"},
	{"%w: the block of slot %d is not canonical", "peers, drive", "try again: the beacon's chain was reorganized"},
	{"%w: the state of slot %d names no checkpoint", "peers, drive", "look at what the beacon node answers"},
	{"%w: %d at slot %d, such as validator %d: %s; restart the beacon node, which passes them on to gwat", "peers, drive", "restart the beacon node"},
	{"%w: the beacon's head is %d epochs past gwat's checkpoint, at most %d are driven: restart the beacon node", "peers, drive", "restart the beacon node"},
	{"%w: the beacon's head moved to slot %d, so the beacon node drives", "drive", "nothing: the beacon node goes on"},
	{"%w: gwat's state changed to epoch %d by a competing driver", "peers, checkpoint, drive", "nothing if it was the beacon node; else find out who calls gwat"},
	{"gwat was restarted already, and the pair has not worked since: restart-beacon is next", "restart-gwat", "set `heal.restart-beacon`, or restart the beacon node"},
	{"%w: heal.%s names no command", "restart-gwat, restart-beacon", "set it to the command"},
}

// unlisted are texts that only pass another error or another text of the table on.
var unlisted = []string{"there is no heal %q", "%w: %s", "read the checkpoint's spine: %w", "read the block of gwat's checkpoint: %w", "read a spine: %w"}

// The table in docs/operating.md has every text by which a heal is refused; -update writes it.
func TestRefusalsDocument(t *testing.T) {
	const path, begin, end = "../../docs/operating.md", "<!-- refused heals -->\n", "<!-- /refused heals -->"
	listed := map[string]bool{}
	var table strings.Builder
	table.WriteString("| what is said | of which heal | what to do |\n|---|---|---|\n")
	shown := strings.NewReplacer("%w: ", "", "%d", "N", "%s", "…")
	for _, r := range refusals {
		require.False(t, listed[r.text], "%s is listed twice", r.text)
		listed[r.text] = true
		fmt.Fprintf(&table, "| %s | %s | %s |\n", strings.TrimSuffix(shown.Replace(r.text), ", and "), r.heals, r.do)
	}
	for _, text := range unlisted {
		listed[text] = true
	}
	refused := regexp.MustCompile(`(?:return false, (?:fmt\.Sprintf\()?|fmt\.Errorf\(|return )"((?:[^"\\]|\\.)+)"`)
	found := map[string]bool{}
	for _, file := range []string{"proof.go", "exchange.go", "drive.go", "../reading.go", "../try.go", "../healing.go"} {
		code, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, text := range refused.FindAllStringSubmatch(string(code), -1) {
			found[text[1]] = true
			require.True(t, listed[text[1]], "%s: %q is in no row of refusals", file, text[1])
		}
	}
	for text := range listed {
		require.True(t, found[text], "no heal is refused with %q", text)
	}
	section.Require(t, path, begin, end, table.String(), *update)
}
