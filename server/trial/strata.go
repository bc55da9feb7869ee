package trial

// Strata returns every stratum of the trial: the sites in their order, and of
// each the combinations of the factors' levels, those of the last factor
// changing first.
func (p *Protocol) Strata() []Stratum {
	var out []Stratum
	for _, site := range p.Sites {
		out = p.combine(out, Participant{Site: site.ID})
	}
	return out
}

// CountStrata counts as [Protocol.Strata] does, without making them.
func (p *Protocol) CountStrata() int {
	n := len(p.Sites)
	for _, f := range p.Factors {
		n *= len(f.Levels)
	}
	return n
}

// combine appends the strata of who has a site and the levels of the first
// factors.
func (p *Protocol) combine(out []Stratum, who Participant) []Stratum {
	at := len(who.Levels)
	if at == len(p.Factors) {
		return append(out, who.stratum(p.Factors))
	}
	for _, l := range p.Factors[at].Levels {
		who.Levels = append(who.Levels[:at:at], l.ID)
		out = p.combine(out, who)
	}
	return out
}

// StratumOf returns the stratum of a participant, whatever was corrected after
// the randomization.
func (p *Protocol) StratumOf(who *Participant) Stratum { return who.stratum(p.Factors) }

// LevelIndexes returns a participant's site and levels of the factors as
// indexes into the protocol's, -1 for one that it doesn't have. They are the
// levels by which the participant is randomized, whatever was corrected later.
func (p *Protocol) LevelIndexes(who *Participant) []int {
	out := []int{-1}
	for i, s := range p.Sites {
		if s.ID == who.Site {
			out[0] = i
		}
	}
	for i, f := range p.Factors {
		at := -1
		for j, l := range f.Levels {
			if i < len(who.Levels) && l.ID == who.Levels[i] {
				at = j
			}
		}
		out = append(out, at)
	}
	return out
}
