// Package figure draws the plots of a report as SVG: small multiples with
// shared axes, drawn once, readable without a script. Colours are names that a
// style sheet fills in (Style, or a page's own), so that one drawing serves
// light, dark and print; dots carry the text that a page shows on hover.
//
// A Figure is data; SVG draws one of its panels. What a point says, and which
// points there are, is the caller's business.
package figure
