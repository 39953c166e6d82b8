package figure

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
)

// canvas is a vg.Canvas that writes SVG with inks as classes and text as text.
// gonum's own vgsvg writes fixed colours, which no dark mode can change.
type canvas struct {
	b    strings.Builder
	w, h vg.Length
	at   state
	kept []state
}

// state is what Push keeps: an affine transform (x' = a·x + c·y + e,
// y' = b·x + d·y + f), pen and colour.
type state struct {
	a, b, c, d, e, f float64
	width            float64
	dash             []vg.Length
	ink              color.Color
	opacity          float64
	// halo keeps words legible over lines and dots.
	halo bool
}

func newCanvas(w, h vg.Length) *canvas {
	return &canvas{w: w, h: h, at: state{a: 1, d: 1, width: 1, ink: Text, opacity: 1}}
}

func (c *canvas) Size() (x, y vg.Length)                 { return c.w, c.h }
func (c *canvas) SetLineWidth(w vg.Length)               { c.at.width = float64(w) }
func (c *canvas) SetLineDash(d []vg.Length, _ vg.Length) { c.at.dash = d }
func (c *canvas) Push()                                  { c.kept = append(c.kept, c.at) }
func (c *canvas) Pop() {
	c.at = c.kept[len(c.kept)-1]
	c.kept = c.kept[:len(c.kept)-1]
}

func (c *canvas) SetColor(k color.Color) {
	if k == nil {
		k = Text
	}
	c.at.ink = k
}

func (c *canvas) Rotate(rad float64) {
	sin, cos := math.Sincos(rad)
	s := &c.at
	s.a, s.b, s.c, s.d = s.a*cos+s.c*sin, s.b*cos+s.d*sin, s.c*cos-s.a*sin, s.d*cos-s.b*sin
}

func (c *canvas) Translate(p vg.Point) {
	s := &c.at
	s.e += s.a*float64(p.X) + s.c*float64(p.Y)
	s.f += s.b*float64(p.X) + s.d*float64(p.Y)
}

func (c *canvas) Scale(x, y float64) {
	s := &c.at
	s.a, s.b, s.c, s.d = s.a*x, s.b*x, s.c*y, s.d*y
}

// place turns a point of vg, whose y grows upwards, into one of SVG.
func (c *canvas) place(p vg.Point) (x, y float64) {
	s := &c.at
	x = s.a*float64(p.X) + s.c*float64(p.Y) + s.e
	y = s.b*float64(p.X) + s.d*float64(p.Y) + s.f
	return x, float64(c.h) - y
}

// number writes a coordinate, to a tenth of a point.
func number(v float64) string {
	s := strconv.FormatFloat(v, 'f', 1, 64)
	return strings.TrimSuffix(s, ".0")
}

func (c *canvas) path(p vg.Path) string {
	var b strings.Builder
	for _, e := range p {
		x, y := c.place(e.Pos)
		switch e.Type {
		case vg.MoveComp:
			fmt.Fprintf(&b, "M%s %s", number(x), number(y))
		case vg.LineComp:
			fmt.Fprintf(&b, "L%s %s", number(x), number(y))
		case vg.CurveComp, vg.ArcComp:
			// Nothing here draws one: glyphs are dots, and dots are lines of no length.
			fmt.Fprintf(&b, "L%s %s", number(x), number(y))
		case vg.CloseComp:
			b.WriteByte('Z')
		}
	}
	return b.String()
}

func (c *canvas) class(kind string) string {
	if k, ok := c.at.ink.(Ink); ok {
		return kind + "-" + string(k)
	}
	return kind + "-" + string(Text)
}

func (c *canvas) Stroke(p vg.Path) {
	if c.at.width <= 0 || len(p) == 0 {
		return
	}
	fmt.Fprintf(&c.b, `<path class="%s" stroke-width="%s"`, c.class("s"), number(c.at.width))
	if len(c.at.dash) > 0 {
		parts := make([]string, len(c.at.dash))
		for i, d := range c.at.dash {
			parts[i] = number(float64(d))
		}
		fmt.Fprintf(&c.b, ` stroke-dasharray="%s"`, strings.Join(parts, " "))
	}
	c.faded()
	fmt.Fprintf(&c.b, ` d="%s"/>`, c.path(p))
}

func (c *canvas) Fill(p vg.Path) {
	fmt.Fprintf(&c.b, `<path class="%s"`, c.class("f"))
	c.faded()
	fmt.Fprintf(&c.b, ` d="%s"/>`, c.path(p))
}

func (c *canvas) faded() {
	if c.at.opacity < 1 {
		fmt.Fprintf(&c.b, ` opacity="%s"`, strconv.FormatFloat(c.at.opacity, 'f', 2, 64))
	}
}

func (c *canvas) FillString(f font.Face, p vg.Point, s string) {
	if f.Font.Size == 0 || s == "" {
		return
	}
	x, y := c.place(p)
	turn := ""
	if a := math.Atan2(c.at.b, c.at.a); math.Abs(a) > 1e-6 {
		turn = fmt.Sprintf(` transform="rotate(%s %s %s)"`, number(-a*180/math.Pi), number(x), number(y))
	}
	class := c.class("f")
	if c.at.halo {
		class += " halo"
	}
	fmt.Fprintf(&c.b, `<text class="%s" font-size="%s" x="%s" y="%s"%s>%s</text>`, class, number(float64(f.Font.Size)), number(x), number(y), turn, escape(s))
}

// DrawImage draws nothing: no figure has one.
func (c *canvas) DrawImage(vg.Rectangle, image.Image) {}

// escape makes text safe inside an element or a quoted attribute, of HTML and
// of XML, which has no control characters.
func escape(s string) string {
	return escaper.Replace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0xFFFE || r == 0xFFFF {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD")))
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")
