package figure

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
)

// TestInksCanBeRead computes the contrast of every ink that carries meaning
// against the pages it stands on (WCAG 2.2, "contrast ratio"): at least 4.5.
func TestInksCanBeRead(t *testing.T) {
	linear := func(c int) float64 {
		v := float64(c) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	luminance := func(hex string) float64 {
		var r, g, b int
		if _, err := fmt.Sscanf(hex, "#%02x%02x%02x", &r, &g, &b); err != nil {
			t.Fatal(hex, err)
		}
		return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
	}
	contrast := func(a, b string) float64 {
		x, y := luminance(a), luminance(b)
		return (max(x, y) + 0.05) / (min(x, y) + 0.05)
	}
	if c := contrast("#000000", "#ffffff"); math.Abs(c-21) > 1e-9 {
		t.Fatalf("black on white is %v, not 21", c)
	}
	check := func(name string, forms [2]string) {
		for i, grounds := range [2][2]string{{"#ffffff", "#f6f7f9"}, {"#15181c", "#1e2329"}} {
			for _, g := range grounds {
				if c := contrast(forms[i], g); c < 4.5 {
					t.Errorf("%s %s on %s has a contrast of %.2f", name, forms[i], g, c)
				}
			}
		}
	}
	for i, forms := range seriesInks {
		check(string(Series(i)), forms)
	}
	check("text", otherInks[Text])
}

func TestTicks(t *testing.T) {
	labels := func(a Axis, low, high float64) string {
		a.Format = func(v float64) string { return fmt.Sprintf("%g", v) }
		var s []string
		for _, k := range a.Ticks(low, high) {
			if k.Label != "" {
				s = append(s, k.Label)
			}
		}
		return strings.Join(s, " ")
	}
	for _, c := range []struct {
		axis      Axis
		low, high float64
		want      string
	}{
		{Axis{}, 0, 1, "0 0.2 0.4 0.6000000000000001 0.8 1"},
		{Axis{}, -0.05, 0.95, "0 0.2 0.4 0.6000000000000001 0.8"},
		{Axis{Log: 10}, 0.5, 2000, "1 10 100 1000"},
		{Axis{Log: 10}, 1.5, 60, "10 2 5 20 50"},
		{Axis{Log: 2}, 1, 64, "1 2 4 8 16 32 64"},
		{Axis{Log: 2}, 1, 1 << 20, "1 16 256 4096 65536 1.048576e+06"},
		{Axis{Categories: []string{"a", "b"}}, 0, 1, "a b"},
	} {
		if got := labels(c.axis, c.low, c.high); got != c.want {
			t.Errorf("%+v from %g to %g: %s, want %s", c.axis, c.low, c.high, got, c.want)
		}
	}
}

// hostile is text that would be markup if it were not escaped.
const hostile = `</title><script>alert(1)</script>" onload="x' & <b>` + "\x00\x1b"

func sampleFigure() Figure {
	plain := func(v float64) string { return fmt.Sprintf("%g", v) }
	return Figure{ID: "f", Title: "T " + hostile, X: Axis{Label: hostile, Log: 10, Format: plain}, Y: Axis{Label: "y", Format: plain},
		Panels: []Panel{
			{Title: hostile, Marks: []Mark{
				Dots{Ink: Series(0), Points: []Point{{X: 1, Y: 0, Row: 7}, {X: 1000, Y: 4, Row: 9}}},
				Dots{Ink: Series(1), Points: []Point{{X: 10, Y: 2, Row: -1, Text: "two\nlines " + hostile}, {X: math.NaN(), Y: 1, Row: -1, Text: "nowhere"}}},
				Line{Ink: Text, Points: []Point{{X: 1e-9, Y: 1}, {X: 1e9, Y: 1}}, Outside: true},
				Area{Ink: Band, LowX: math.Inf(-1), HighX: math.Inf(1), LowY: 1, HighY: 2},
				Label{X: 1, Y: 1, Text: hostile, Ink: Text},
				Box{Ink: Series(2), Y: 1, P10: 2, Q1: 3, Median: 4, Q3: 5, P90: 6, Text: hostile},
			}},
			{Marks: []Mark{Dots{Ink: Series(0), Points: []Point{{X: 100, Y: 3, Row: 1}}}}},
		}}
}

// TestSVGIsXML reads every drawing as XML: no element but those of a plot, and
// whatever the texts hold stays text.
func TestSVGIsXML(t *testing.T) {
	f := sampleFigure()
	for i := range f.Panels {
		d := xml.NewDecoder(strings.NewReader(f.SVG(i, Style())))
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("panel %d: %v", i, err)
			}
			if e, ok := token.(xml.StartElement); ok {
				switch e.Name.Local {
				case "svg", "style", "path", "text":
				default:
					t.Errorf("element %s", e.Name.Local)
				}
				for _, a := range e.Attr {
					if strings.HasPrefix(a.Name.Local, "on") {
						t.Errorf("attribute %s", a.Name.Local)
					}
				}
			}
		}
	}
}

// TestPanelsShareAxes: the same value has the same place in every panel, and
// each dot keeps its row or text.
func TestPanelsShareAxes(t *testing.T) {
	f := sampleFigure()
	f.Panels[1].Marks = []Mark{Dots{Ink: Series(0), Points: []Point{{X: 1000, Y: 4, Row: 3}}}}
	place := func(svg, row string) string {
		_, rest, ok := strings.Cut(svg, `data-r="`+row+`" d="`)
		if !ok {
			t.Fatalf("no dots of row %s", row)
		}
		at, _, _ := strings.Cut(rest, `"`)
		return at
	}
	both := place(f.SVG(0, ""), "7 9")
	alone := place(f.SVG(1, ""), "3")
	if !strings.HasSuffix(both, alone) || strings.Count(both, "h0") != 2 {
		t.Errorf("1000, 4 is at %s in one panel and at %s in the other", both, alone)
	}
	if svg := f.SVG(0, ""); strings.Contains(svg, "nowhere") || !strings.Contains(svg, `data-t="two lines `) {
		t.Error("a point without a place is drawn, or a text is not on one line")
	}
}
