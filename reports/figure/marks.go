package figure

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
)

// grid draws lines at the ticks that have labels.
type grid struct{ x, y *Axis }

func (grid) reach(_, _ *span) {}

func (g grid) draw(d *drawing) {
	var p vg.Path
	for _, t := range g.x.Ticks(d.lowX, d.highX) {
		if t.Label != "" {
			p.Move(vg.Point{X: d.tx(t.Value), Y: d.area.Min.Y})
			p.Line(vg.Point{X: d.tx(t.Value), Y: d.area.Max.Y})
		}
	}
	for _, t := range g.y.Ticks(d.lowY, d.highY) {
		if t.Label != "" {
			p.Move(vg.Point{X: d.area.Min.X, Y: d.ty(t.Value)})
			p.Line(vg.Point{X: d.area.Max.X, Y: d.ty(t.Value)})
		}
	}
	d.c.SetColor(Faint)
	d.c.SetLineWidth(0.5)
	d.c.at.opacity = 0.6
	d.c.Stroke(p)
}

// Dots are points that can be hovered.
type Dots struct {
	Ink    Ink
	Points []Point
	// Size is the diameter in points; 0 is 5.
	Size float64
	// Hollow dots are simulated.
	Hollow bool
}

func (m Dots) reach(x, y *span) {
	for _, p := range m.Points {
		x.add(p.X)
		y.add(p.Y)
	}
}

func (m Dots) draw(d *drawing) {
	size := m.Size
	if size == 0 {
		size = 5
	}
	var path, rows strings.Builder
	var texts []string
	for _, p := range m.Points {
		if !d.inside(p.X, p.Y) {
			continue
		}
		x, y := d.c.place(d.at(p.X, p.Y))
		fmt.Fprintf(&path, "M%s %sh0", number(x), number(y))
		if p.Row >= 0 {
			fmt.Fprintf(&rows, "%d ", p.Row)
		} else {
			texts = append(texts, strings.ReplaceAll(p.Text, "\n", " "))
		}
	}
	if path.Len() == 0 {
		return
	}
	fmt.Fprintf(&d.c.b, `<path class="d s-%s" stroke-width="%s"`, m.Ink, number(size))
	if m.Hollow {
		d.c.b.WriteString(` opacity=".45"`)
	}
	if len(texts) > 0 {
		fmt.Fprintf(&d.c.b, ` data-t="%s"`, html.EscapeString(escapeControls(strings.Join(texts, "\n"))))
	} else {
		fmt.Fprintf(&d.c.b, ` data-r="%s"`, strings.TrimSpace(rows.String()))
	}
	fmt.Fprintf(&d.c.b, ` d="%s"/>`, path.String())
}

// Line joins points in their order, without dots.
type Line struct {
	Ink    Ink
	Points []Point
	Width  float64
	Dashed bool
	// Opacity is 1 where it is 0.
	Opacity float64
	// Outside lines do not widen the axes: guides.
	Outside bool
}

func (m Line) reach(x, y *span) {
	if !m.Outside {
		Dots{Points: m.Points}.reach(x, y)
	}
}

func (m Line) draw(d *drawing) {
	d.c.SetColor(m.Ink)
	d.c.SetLineWidth(vg.Length(m.Width))
	if m.Width == 0 {
		d.c.SetLineWidth(1.5)
	}
	if m.Dashed {
		d.c.SetLineDash([]vg.Length{4, 3}, 0)
	}
	if m.Opacity > 0 {
		d.c.at.opacity = m.Opacity
	}
	var p vg.Path
	for i := 1; i < len(m.Points); i++ {
		a, b, ok := clip(d.area, d.at(m.Points[i-1].X, m.Points[i-1].Y), d.at(m.Points[i].X, m.Points[i].Y))
		if !ok {
			continue
		}
		if n := len(p); n == 0 || p[n-1].Pos != a {
			p.Move(a)
		}
		p.Line(b)
	}
	d.c.Stroke(p)
}

// clip is the part of a line within a rectangle (Liang and Barsky, "A New
// Concept and Method for Line Clipping", ACM TOG 3(1), 1984).
func clip(r vg.Rectangle, a, b vg.Point) (vg.Point, vg.Point, bool) {
	t0, t1 := 0.0, 1.0
	dx, dy := float64(b.X-a.X), float64(b.Y-a.Y)
	for _, e := range [4][2]float64{
		{-dx, float64(a.X - r.Min.X)}, {dx, float64(r.Max.X - a.X)},
		{-dy, float64(a.Y - r.Min.Y)}, {dy, float64(r.Max.Y - a.Y)},
	} {
		switch p, q := e[0], e[1]; {
		case math.IsNaN(p) || math.IsNaN(q) || p == 0 && q < 0:
			return a, b, false
		case p < 0:
			t0 = max(t0, q/p)
		case p > 0:
			t1 = min(t1, q/p)
		}
	}
	if t0 > t1 {
		return a, b, false
	}
	on := func(t float64) vg.Point { return vg.Point{X: a.X + vg.Length(t*dx), Y: a.Y + vg.Length(t*dy)} }
	return on(t0), on(t1), true
}

// Area fills between two lines, such as a band or a shaded stretch of time.
// Infinite values reach the edge.
type Area struct {
	Ink                      Ink
	LowX, HighX, LowY, HighY float64
	Opacity                  float64
	// Text is for a hover over its middle, or "".
	Text string
}

func (m Area) reach(x, y *span) {
	x.add(m.LowX)
	x.add(m.HighX)
	y.add(m.LowY)
	y.add(m.HighY)
}

func (m Area) draw(d *drawing) {
	lowX, highX := max(m.LowX, d.lowX), min(m.HighX, d.highX)
	lowY, highY := max(m.LowY, d.lowY), min(m.HighY, d.highY)
	if lowX > highX || lowY > highY {
		return
	}
	a, b := d.at(lowX, lowY), d.at(highX, highY)
	d.c.SetColor(m.Ink)
	if m.Opacity > 0 {
		d.c.at.opacity = m.Opacity
	}
	d.c.Fill(vg.Rectangle{Min: a, Max: b}.Path())
	if m.Text != "" {
		x, y := d.c.place(vg.Point{X: (a.X + b.X) / 2, Y: (a.Y + b.Y) / 2})
		fmt.Fprintf(&d.c.b, `<path class="d" data-t="%s" d="M%s %sh0"/>`, html.EscapeString(escapeControls(m.Text)), number(x), number(y))
	}
}

// Box is a distribution at Y: whiskers, the middle half, the median.
type Box struct {
	Ink                      Ink
	Y                        float64
	P10, Q1, Median, Q3, P90 float64
	Text                     string
}

// boxHalf is half the height of a box, in categories.
const boxHalf = 0.3

func (m Box) reach(x, _ *span) {
	x.add(m.P10)
	x.add(m.P90)
}

func (m Box) draw(d *drawing) {
	line := func(width float64, x0, y0, x1, y1 float64) {
		Line{Ink: m.Ink, Width: width, Points: []Point{{X: x0, Y: y0}, {X: x1, Y: y1}}}.draw(d)
	}
	line(1.2, m.P10, m.Y, m.P90, m.Y)
	Area{Ink: m.Ink, LowX: m.Q1, HighX: m.Q3, LowY: m.Y - boxHalf, HighY: m.Y + boxHalf, Opacity: 0.35}.draw(d)
	d.c.at.opacity = 1
	line(2.5, m.Median, m.Y-boxHalf, m.Median, m.Y+boxHalf)
	if x := min(max(m.Median, d.lowX), d.highX); m.Text != "" {
		Dots{Ink: m.Ink, Size: 1, Points: []Point{{X: x, Y: m.Y, Row: -1, Text: m.Text}}}.draw(d)
	}
}

// Label is a few words at a place.
type Label struct {
	X, Y float64
	Text string
	Ink  Ink
	// Right ends the text at X, Centre puts its middle there. Up lifts it by
	// points. Upright turns it by 90°.
	Right, Centre, Upright bool
	Up                     float64
}

func (m Label) reach(_, _ *span) {}

func (m Label) draw(d *drawing) {
	x, y := min(max(m.X, d.lowX), d.highX), min(max(m.Y, d.lowY), d.highY)
	face := font.DefaultCache.Lookup(font.Font{Typeface: "Liberation", Variant: "Sans"}, fontSize-1)
	p := d.at(x, y)
	width := face.Width(m.Text)
	d.c.SetColor(m.Ink)
	d.c.at.halo = true
	if m.Upright {
		d.c.Translate(vg.Point{X: p.X + fontSize - 1, Y: d.area.Max.Y - width - 2})
		d.c.Rotate(math.Pi / 2)
		d.c.FillString(face, vg.Point{}, m.Text)
		return
	}
	p.Y += vg.Length(m.Up)
	switch {
	case m.Right:
		p.X -= width
	case m.Centre:
		p.X -= width / 2
	}
	p.X = max(min(p.X, d.area.Max.X-width), d.area.Min.X)
	// Words that would lie on others go above or below them, or are left out.
	for _, up := range []vg.Length{0, 11, -11, -22, 22, 33} {
		q := vg.Point{X: p.X, Y: p.Y + up}
		box := vg.Rectangle{Min: vg.Point{X: q.X, Y: q.Y - 2}, Max: vg.Point{X: q.X + width, Y: q.Y + 8}}
		if box.Max.Y > d.area.Max.Y+8 || box.Min.Y < d.area.Min.Y || slices.ContainsFunc(d.labels, func(o vg.Rectangle) bool {
			return o.Min.X < box.Max.X && box.Min.X < o.Max.X && o.Min.Y < box.Max.Y && box.Min.Y < o.Max.Y
		}) {
			continue
		}
		d.labels = append(d.labels, box)
		d.c.FillString(face, q, m.Text)
		return
	}
}

// escapeControls keeps line breaks, which part the texts of an attribute.
func escapeControls(s string) string {
	parts := strings.Split(s, "\n")
	for i, p := range parts {
		parts[i] = strings.Map(func(r rune) rune {
			if r < ' ' {
				return '\uFFFD'
			}
			return r
		}, strings.ToValidUTF8(p, "\uFFFD"))
	}
	return strings.Join(parts, "\n")
}
