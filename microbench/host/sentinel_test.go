package host

import "testing"

func TestSentinelIsShortAndRepeats(t *testing.T) {
	b, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for range 3 {
		s, err := b.Sentinel()
		if err != nil || s <= 0 {
			t.Fatalf("%g s, %v", s, err)
		}
		t.Logf("%g s", s)
	}
	if len(b.teams) != 1 {
		t.Errorf("%d teams were started for one size", len(b.teams))
	}
	if c := b.Clock(); c.OverheadS <= 0 || c.Name == "" {
		t.Errorf("clock %+v", c)
	}
	if e := b.Environment(); e["compiler"] == "" || e["pinned_cpus"] == "" {
		t.Errorf("environment %v", e)
	}
}
