package figure

import (
	"fmt"
	"image/color"
	"strings"
)

// Ink is a colour by name. The names are classes of the style sheet: an SVG
// says which ink, and light, dark or print says what it looks like.
type Ink string

// The inks. Those of series are told apart by lightness too, and each keeps a
// contrast of 4.5 or more against its background, in light and in dark.
const (
	Text  Ink = "text"
	Faint Ink = "faint" // grid, guides
	Band  Ink = "band"  // the ±10 % around a prediction
)

// Series is the ink of series i; there are as many as seriesInks, then they
// come again.
func Series(i int) Ink { return Ink(fmt.Sprintf("c%d", i%len(seriesInks))) }

// seriesInks are light and dark forms of each series' ink.
var seriesInks = [...][2]string{
	{"#0b5fa5", "#6cb6ff"}, // blue
	{"#a84300", "#ffa066"}, // orange
	{"#17734a", "#5fd39a"}, // green
	{"#7a3e9d", "#d2a8ff"}, // purple
	{"#b3261e", "#ff938a"}, // red
	{"#6f5600", "#e3c15a"}, // ochre
	{"#00697a", "#4fd1e0"}, // teal
	{"#8c2a6b", "#ff9bd2"}, // pink
	{"#4c5258", "#b4bac2"}, // grey
}

var otherInks = map[Ink][2]string{
	Text:  {"#1b1f24", "#e6e8eb"},
	Faint: {"#c9ced6", "#454b54"},
	Band:  {"#d8e9d8", "#1f3a2a"},
}

// RGBA is the light form, for a canvas that knows no names.
func (k Ink) RGBA() (r, g, b, a uint32) {
	hex := otherInks[k][0]
	for i := range seriesInks {
		if k == Series(i) {
			hex = seriesInks[i][0]
		}
	}
	var c color.NRGBA
	_, _ = fmt.Sscanf(hex, "#%02x%02x%02x", &c.R, &c.G, &c.B) // the inks are constants
	c.A = 255
	return c.RGBA()
}

// Style is the style sheet of the inks: variables for light, dark and print,
// and the classes that SVG elements have.
func Style() string {
	var light, dark, rules strings.Builder
	add := func(name string, forms [2]string) {
		fmt.Fprintf(&light, "--%s:%s;", name, forms[0])
		fmt.Fprintf(&dark, "--%s:%s;", name, forms[1])
		fmt.Fprintf(&rules, ".s-%[1]s{stroke:var(--%[1]s);fill:none}.f-%[1]s{fill:var(--%[1]s)}\n", name)
	}
	for i, forms := range seriesInks {
		add(string(Series(i)), forms)
	}
	for _, k := range []Ink{Text, Faint, Band} {
		add(string(k), otherInks[k])
	}
	return fmt.Sprintf(":root{%s}\n@media screen and (prefers-color-scheme:dark){:root{%s}}\n%s.d{stroke-linecap:round}\n.halo{paint-order:stroke;stroke:var(--panel,#fff);stroke-width:3px;stroke-linejoin:round}\n", light.String(), dark.String(), rules.String())
}
