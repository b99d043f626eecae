package daemon

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"

	"github.com/gwatsync/syncd/status"
)

// notifier informs the service manager (sd_notify(3)) that syncd is ready, how the
// pair is, that the loop lives and that syncd stops. Without a service manager
// it does nothing.
//
// Ready is said when the API listens and the loop has made its first turn: the
// pair itself may need hours. The watchdog is fed only after a turn of the loop,
// so that one that hangs is ended and started again.
type notifier struct {
	send     func(state string) error
	snapshot func() *status.Snapshot
	watchdog time.Duration // the service manager's patience; 0 for none
	log      logrus.FieldLogger

	first uint64 // the snapshot from before the loop
	ready bool
	said  string    // the last STATUS
	seq   uint64    // of the snapshot at the last feeding
	fed   time.Time // of the last feeding
	mute  bool      // a failed notification was logged
}

// newNotifier is called before the loop begins.
func newNotifier(snapshot func() *status.Snapshot, log logrus.FieldLogger) *notifier {
	watchdog, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		log.WithError(err).Warn("The watchdog of the service manager cannot be served; correct WatchdogSec in the unit")
	}
	return &notifier{
		send:     notify,
		snapshot: snapshot, watchdog: watchdog, log: log, first: snapshot().Seq,
	}
}

// notifyWait bounds a notification: a manager that hangs does not take them from
// its socket, and syncd must still end at SIGTERM.
const notifyWait = 500 * time.Millisecond

// notify sends one notification; without a service manager it does nothing.
func notify(state string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(notifyWait)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(state))
	return err
}

// run compares the newest snapshot every interval until ctx ends.
func (n *notifier) run(ctx context.Context, interval time.Duration) {
	if n.watchdog > 0 {
		interval = min(interval, n.watchdog/4)
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			n.say(sd.SdNotifyStopping)
			return
		case now := <-tick.C:
			n.compare(now)
		}
	}
}

func (n *notifier) compare(now time.Time) {
	s := n.snapshot()
	if s.Seq == n.first {
		return // the loop has not begun
	}
	if !n.ready {
		n.ready = true
		n.say(sd.SdNotifyReady)
	}
	if text := statusText(s); text != n.said {
		n.said = text
		n.say("STATUS=" + text)
	}
	if n.watchdog > 0 && s.Seq != n.seq && now.Sub(n.fed) >= n.watchdog/4 {
		n.seq, n.fed = s.Seq, now
		n.say(sd.SdNotifyWatchdog)
	}
}

// statusText is what `systemctl status` shows: one line, since each line of a
// notification is an assignment of its own.
func statusText(s *status.Snapshot) string {
	out := "stage " + s.Stage
	if s.Verdict != "" {
		out += fmt.Sprintf(", verdict %s", s.Verdict)
	}
	if s.Waiting != "" {
		out += ": waiting for " + s.Waiting
	}
	return strings.Join(strings.Fields(out), " ")
}

func (n *notifier) say(state string) {
	if err := n.send(state); err != nil && !n.mute {
		n.mute = true
		n.log.WithError(err).Warn("The service manager does not take notifications; with Type=notify it will end syncd")
	}
}
