package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lodd-rct/lodd/randomization"
)

// designFlags are what lodd design is told of the trial.
type designFlags struct {
	file, ratio, svg string
	plan             randomization.Plan
}

func (a *app) designCommand() *cobra.Command {
	var f designFlags
	cmd := a.local(spec{
		use: "design", short: "Show how well a randomization design balances and conceals", args: byFlag("-f"),
		long: `Show, without a server, how well a randomization design keeps the arms in balance
and how much of the next arm can be guessed, before the design is sealed.

The observer is somebody who knows the design and all past arms of the stratum,
and always guesses the likeliest arm. Participants come to all strata with equal
chances. Numbers are exact where all pasts can be enumerated; else they are
simulated, and two standard errors are told. The same question always has the
same answer.

Minimization has neither strata nor sequences: its factors and how many levels
each has stand in the file, and the observer knows the levels, too. An observer of
one site knows its arms and levels, and when somebody came to the others. Of a
statistician's own list nothing is foretold: show the design that it was drawn by.

Like the randomization file itself, what this prints is for the list custodian.`,
		example: `  lodd design -f randomization.yaml --participants 202 --sites 7 --svg design.svg
  lodd design -f minimization.yaml --participants 202 --lang nb`,
	}, func(ctx context.Context, _ []string) error { return a.runDesign(ctx, f) })
	fileFlag(cmd, &f.file)
	cmd.Flags().IntVar(&f.plan.Participants, "participants", 0, "`N` participants are planned")
	if err := cmd.MarkFlagRequired("participants"); err != nil {
		panic("cli: flag participants: " + err.Error()) // it was defined a line above
	}
	cmd.Flags().IntVar(&f.plan.Sites, "sites", 1, "`N` sites recruit")
	cmd.Flags().IntVar(&f.plan.Strata, "strata", 1, "`N` strata in each site: the combinations of the factors' levels")
	cmd.Flags().StringVar(&f.ratio, "ratio", "1:1", "`RATIO` of the protocol's arms, as 2:1")
	cmd.Flags().StringVar(&f.svg, "svg", "", "draw the forecast into this `FILE`")
	return cmd
}

func (a *app) runDesign(_ context.Context, f designFlags) error {
	ratio, err := a.parseRatio(f.ratio)
	if err != nil {
		return err
	}
	data, err := a.readInput(f.file)
	if err != nil {
		return err
	}
	design, err := a.parseDesign(f.file, data, ratio)
	if err != nil {
		return err
	}
	forecast, err := randomization.NewForecast(design, f.plan)
	if err != nil {
		return &usageError{strings.TrimPrefix(err.Error(), "randomization: ")}
	}
	v := designView{words: a.words, design: design, plan: f.plan, forecast: forecast}
	out, err := a.createRecord(f.svg)
	if err != nil {
		return err
	}
	if out != nil {
		_, err = out.WriteString(v.svg())
		if err := errors.Join(err, out.Close()); err != nil {
			return fmt.Errorf("write %s: %w", f.svg, err)
		}
	}
	if a.settings.output != "table" {
		return a.write(v.record())
	}
	_, err = fmt.Fprint(a.deps.Stdout, v.text())
	return err
}

// parseDesign reads a randomization file for arms of a ratio.
func (a *app) parseDesign(path string, data []byte, ratio []int) (randomization.Design, error) {
	design, err := a.deps.ParseDesign(fileName(path), data, ratio)
	if err != nil {
		lines := strings.Split(err.Error(), "\n")
		return nil, &invalidError{message: lines[0], faults: lines[1:]}
	}
	return design, nil
}

// parseRatio reads a ratio such as 2:1.
func (a *app) parseRatio(text string) ([]int, error) {
	var ratio []int
	for part := range strings.SplitSeq(text, ":") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, &usageError{a.words.say("error.ratio", text)}
		}
		ratio = append(ratio, n)
	}
	if err := (randomization.Complete{Ratio: ratio}).Validate(); err != nil {
		return nil, &usageError{strings.TrimPrefix(err.Error(), randomization.ErrDesign.Error()+": ")}
	}
	return ratio, nil
}

// designView is a forecast as it is shown.
type designView struct {
	words    *words
	design   randomization.Design
	plan     randomization.Plan
	forecast randomization.Forecast
}

// record returns the forecast for programs. Shares are from 0 to 1.
func (v designView) record() result {
	f := v.forecast
	r := one("forecast",
		"participants", v.plan.Participants, "sites", v.plan.Sites, "strata", v.plan.Strata,
		"blind", f.Blind,
		"correct", f.Observer.Correct.Value, "correct_error", f.Observer.Correct.Error,
		"certain", f.Observer.Certain.Value, "certain_error", f.Observer.Certain.Error,
		"imbalance_bound", f.Imbalance.Bound, "imbalance_bounded", f.Imbalance.Bounded,
		"imbalance_50", f.Imbalance.Quantile(.5), "imbalance_95", f.Imbalance.Quantile(.95), "imbalance_99", f.Imbalance.Quantile(.99),
		"imbalance_largest", f.Imbalance.Quantile(1), "imbalance_error", f.Imbalance.Error,
	)
	for _, g := range []struct {
		name string
		of   *randomization.Guesses
	}{{"own_site", f.OwnSite}, {"shared_all", f.SharedAll}, {"shared_own", f.SharedOwn}} {
		if g.of != nil {
			r.columns = append(r.columns, g.name+"_correct", g.name+"_correct_error", g.name+"_certain", g.name+"_certain_error")
			r.rows[0] = append(r.rows[0], g.of.Correct.Value, g.of.Correct.Error, g.of.Certain.Value, g.of.Certain.Error)
		}
	}
	r.columns, r.rows[0] = append(r.columns, "advice"), append(r.rows[0], v.advice())
	return r
}
