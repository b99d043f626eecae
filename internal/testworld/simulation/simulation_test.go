package simulation

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

var (
	seedFlag    = flag.Uint64("seed", 1, "first seed")
	seedsFlag   = flag.Int("seeds", 20, "how many seeds TestSeeds runs")
	eraFlag     = flag.String("era", "", "coordinated: TestSeeds runs seeds of that era alone; empty for all")
	allFlag     = flag.Bool("all", false, "TestSeeds goes on after a violation")
	jobsFlag    = flag.Int("jobs", 1, "how many processes TestSeeds runs its seeds in")
	everyFlag   = flag.Uint64("every", 1, "the distance between two seeds of TestSeeds")
	shrinkFlag  = flag.Bool("shrink", true, "look for the fewest faults that break a rule")
	repeatsFlag = flag.Int("repeats", 5, "how many of its seeds TestSeeds runs twice")
	strideFlag  = flag.Int("stride", 997, "TestCrashEverywhere kills syncd at every so many await points")
	keepFlag    = flag.String("keep", "", "numbers of the faults that TestReplay keeps, with commas between, or none; empty for all")
	crashFlag   = flag.Int("crash", 0, "the await point at which TestReplay kills syncd")
	afterFlag   = flag.Bool("after", false, "kill it right after that point's step, not before")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tell prints which rule was broken, the fewest faults that break it, and how to see it again.
func tell(t *testing.T, failed Result, o Options) {
	for _, v := range failed.Violations {
		fmt.Printf("VIOLATION %s seed %d at %.3fs: %s\n", v.Rule, failed.Seed, v.At.Seconds(), v.What)
	}
	small := failed
	if *shrinkFlag {
		small = Shrink(t, failed, o)
	}
	fmt.Printf("%sreplay: %s\n", small.Plan, small.Replay())
	t.Errorf("seed %d breaks %s", failed.Seed, failed.Violations[0].Rule)
}

// repeat runs a seed again: two runs are the same in every event.
func repeat(t *testing.T, first Result) {
	second := Run(t, first.Seed, Options{})
	if first.Hash != second.Hash {
		t.Errorf("seed %d has two logs: %016x of %d events, %016x of %d", first.Seed, first.Hash, first.Events, second.Hash, second.Events)
	}
}

// A run of either era is the same in another process, with another number of threads.
func TestRepeatInAnotherProcess(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{*seedFlag, *seedFlag + 1, *seedFlag + 1 + coordinatedEvery - (*seedFlag+1)%coordinatedEvery} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run", "^TestReplay$", "-seed", strconv.FormatUint(seed, 10))
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err)
		hash := regexp.MustCompile(`hash ([0-9a-f]{16})`).FindSubmatch(out)
		require.NotNil(t, hash)
		require.Equal(t, fmt.Sprintf("%016x", Run(t, seed, Options{}).Hash), string(hash[1]), "seed %d", seed)
	}
}

// syncd is killed at the await points, in which it waits for the world, right before and
// right after the step that it waits for.
func TestCrashEverywhere(t *testing.T) {
	t.Parallel()
	whole := Run(t, *seedFlag, Options{NoCrash: true})
	require.Positive(t, whole.AwaitPoints)
	runs := 0
	for at := 1; at <= whole.AwaitPoints; at += *strideFlag {
		for _, after := range []bool{false, true} {
			o := Options{NoCrash: true, CrashAt: at, CrashAfter: after}
			runs++
			if result := Run(t, *seedFlag, o); len(result.Violations) > 0 {
				tell(t, result, o)
				if !*allFlag {
					return
				}
			}
		}
	}
	t.Logf("syncd was killed in %d runs, at every %d. of %d await points", runs, *strideFlag, whole.AwaitPoints)
}

// TestReplay prints the events of one run; with -v they are seen.
func TestReplay(t *testing.T) {
	o := Options{CrashAt: *crashFlag, CrashAfter: *afterFlag, NoCrash: *crashFlag > 0}
	if testing.Verbose() {
		o.Log = func(line string) { fmt.Println(line) }
		log := logrus.New()
		log.SetOutput(os.Stdout)
		o.Daemon = log
	}
	for text := range strings.SplitSeq(*keepFlag, ",") {
		switch text {
		case "":
		case "none":
			o.NoFaults = true
		default:
			n, err := strconv.Atoi(text)
			require.NoError(t, err)
			o.Keep = append(o.Keep, n)
		}
	}
	result := Run(t, *seedFlag, o)
	if testing.Verbose() {
		fmt.Print(result.Plan)
		fmt.Printf("hash %016x, %d events, %d steps, %d await points, %s, working again after %s\n",
			result.Hash, result.Events, result.Steps, result.AwaitPoints, result.Took, result.Recovered)
	}
	for _, v := range result.Violations {
		t.Errorf("VIOLATION %s seed %d at %.3fs: %s", v.Rule, *seedFlag, v.At.Seconds(), v.What)
	}
}
