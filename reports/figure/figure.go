package figure

import (
	"fmt"
	"math"
	"strings"

	// plot: axes, scales, ticks and layout; its drawing goes to our own canvas.
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Figure is small multiples over shared axes.
type Figure struct {
	// ID is unique on the page, letters and hyphens.
	ID, Title, Caption string
	X, Y               Axis
	Panels             []Panel
	// Tall makes panels higher, for many horizontal boxes.
	Height float64
	// Legend says what inks mean; Note what was left out.
	Legend []Key
	Note   string
}

// Key is one entry of a legend.
type Key struct {
	Ink  Ink
	Name string
	// Dashed lines are predictions, or simulated series.
	Dashed bool
	// Dot and Square are what the legend draws, else a line.
	Dot, Square bool
	// Pale squares are shades.
	Pale bool
}

// Panel is one plot of a figure.
type Panel struct {
	Title string
	Marks []Mark
}

// Mark is something drawn in a panel, in data coordinates.
type Mark interface {
	// reach says which data the axes must hold.
	reach(x, y *span)
	draw(d *drawing)
}

// Point is a place with what it says.
type Point struct {
	X, Y float64
	// Row is an index into the page's rows, whose text is shown, or −1.
	Row int
	// Text is shown where Row is −1.
	Text string
}

// Width and height of a panel in points; the text is then legible on a page of
// 360 pixels.
const (
	panelWidth  = 430
	panelHeight = 290
	fontSize    = 11
)

// drawing is a panel being drawn.
type drawing struct {
	// labels are where words stand already.
	labels                   []vg.Rectangle
	c                        *canvas
	area                     vg.Rectangle
	tx, ty                   func(float64) vg.Length
	lowX, highX, lowY, highY float64
}

func (d *drawing) at(x, y float64) vg.Point { return vg.Point{X: d.tx(x), Y: d.ty(y)} }

func (d *drawing) inside(x, y float64) bool {
	return x >= d.lowX && x <= d.highX && y >= d.lowY && y <= d.highY
}

type marks []Mark

// Plot implements plot.Plotter.
func (m marks) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	d := &drawing{c: own(c), area: c.Rectangle, tx: tx, ty: ty,
		lowX: p.X.Min, highX: p.X.Max, lowY: p.Y.Min, highY: p.Y.Max}
	for _, k := range m {
		d.c.Push()
		k.draw(d)
		d.c.Pop()
	}
}

// own is our canvas beneath the crops of it.
func own(c vg.Canvas) *canvas {
	for {
		switch of := c.(type) {
		case *canvas:
			return of
		case draw.Canvas:
			c = of.Canvas
		default:
			panic("figure: a plot is drawn on a foreign canvas")
		}
	}
}

// ranges are what both axes of all panels show.
func (f *Figure) ranges() (lowX, highX, lowY, highY float64) {
	x, y := span{math.Inf(1), math.Inf(-1)}, span{math.Inf(1), math.Inf(-1)}
	for i := range f.Panels {
		for _, m := range f.Panels[i].Marks {
			m.reach(&x, &y)
		}
	}
	lowX, highX = f.X.settle(x)
	lowY, highY = f.Y.settle(y)
	return lowX, highX, lowY, highY
}

// SVG draws panel i. The element has no size of its own but a view box; style
// is put inside it where the drawing is to stand alone.
func (f *Figure) SVG(i int, style string) string {
	height := f.Height
	if height == 0 {
		height = panelHeight
	}
	c := newCanvas(panelWidth, vg.Length(height))
	p := plot.New()
	p.BackgroundColor = nil
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = f.ranges()
	for _, a := range []struct {
		axis *plot.Axis
		of   *Axis
	}{{&p.X, &f.X}, {&p.Y, &f.Y}} {
		face := font.Font{Typeface: "Liberation", Variant: "Sans", Size: fontSize}
		a.axis.Tick.Marker, a.axis.Tick.Label.Font, a.axis.Tick.Label.Color = a.of, face, Text
		a.axis.LineStyle.Color, a.axis.Tick.LineStyle.Color = Faint, Faint
		a.axis.LineStyle.Width, a.axis.Tick.LineStyle.Width = 1, 1
		a.axis.Tick.Length, a.axis.Padding = 4, 2
		if a.of.Log > 0 {
			a.axis.Scale = plot.LogScale{}
		}
	}
	p.Add(marks(append([]Mark{grid{&f.X, &f.Y}}, f.Panels[i].Marks...)))
	p.Draw(draw.Crop(draw.New(c), 4, -14, 4+fontSize+3, -8-fontSize-3))
	// The labels of axes are ours: plot centres one by the linear middle of the
	// range, which a logarithmic axis has near its end; and an upright label
	// is hard to read.
	face := font.DefaultCache.Lookup(font.Font{Typeface: "Liberation", Variant: "Sans"}, fontSize)
	c.SetColor(Text)
	c.FillString(face, vg.Point{X: panelWidth - 14 - face.Width(f.X.Label), Y: 4}, f.X.Label)
	c.FillString(face, vg.Point{X: 4, Y: vg.Length(height) - fontSize}, f.Y.Label)
	title := f.Title
	if f.Panels[i].Title != "" {
		title += ": " + f.Panels[i].Title
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %s" role="img" aria-label="%s" font-family="Liberation Sans,Arial,Helvetica,sans-serif">`,
		panelWidth, number(height), escape(title))
	if style != "" {
		fmt.Fprintf(&b, "<style>%s</style>", style)
	}
	b.WriteString(c.b.String())
	b.WriteString("</svg>")
	return b.String()
}
