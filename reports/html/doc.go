// Package html renders a report as one page that works offline and from a mail
// attachment: no file, font or script from elsewhere, plots as SVG that need no
// script, and one small script of its own for hover, sorting and paging.
//
// Whatever comes out of a file reaches the page through html/template or
// figure's own escaping, and the script only ever sets text, never markup.
package html
