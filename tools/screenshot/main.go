// Command screenshot makes the picture in the README: a part of a page of bench
// report, from the top of one element to the bottom of another, as a PNG.
//
//	go run ./tools/screenshot PAGE.html '#error h2' '#error-boxes' docs/page.png
//
// It needs Chromium or Chrome.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/chromedp/cdproto/page"
	// chromedp: drives a headless browser, as the tests of the pages do.
	"github.com/chromedp/chromedp"
)

const width, height = 1150, 900

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: screenshot PAGE.html FROM TO OUT.png (FROM and TO are CSS selectors)")
		os.Exit(2)
	}
	if err := shoot(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, "screenshot:", err)
		os.Exit(1)
	}
}

func shoot(path, from, to, out string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	ctx, cancel := chromedp.NewContext(context.Background(), chromedp.WithAllocatorOptions(chromedp.NoSandbox))
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height), chromedp.Navigate("file://"+path)); err != nil {
		return err
	}
	edges, err := chromedp.Run(ctx, chromedp.Evaluate[[]float64](fmt.Sprintf(
		`[document.querySelector(%q).getBoundingClientRect().top + scrollY - 16, document.querySelector(%q).getBoundingClientRect().bottom + scrollY + 16]`, from, to)))
	if err != nil {
		return err
	}
	beyond := true
	shot, err := chromedp.Call(ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: &beyond,
		Clip: &page.Viewport{Y: edges[0], Width: width, Height: edges[1] - edges[0], Scale: 1}})
	if err != nil {
		return err
	}
	png := shot.Data
	return os.WriteFile(out, png, 0o644)
}
