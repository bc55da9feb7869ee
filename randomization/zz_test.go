package randomization
import ("testing";"fmt";"time")
func TestZZ(t *testing.T) {
	eq := func(r []int, n ...int) Blocks { b := Blocks{Ratio: r}; for _, x := range n { b.Sizes = append(b.Sizes, BlockSize{x,1}) }; return b }
	for _, d := range []Design{eq([]int{1,1},4), eq([]int{1,1},4,6,8), BigStick{3}, Maximal{3,12}, Maximal{3,30}, BiasedCoin{2,3}, Urn{2,0,1}, Complete{[]int{1,1}}, eq([]int{2,1},6,9), Urn{3,0,1}, eq([]int{1,1,1},6,9), eq([]int{1,1},64,128,256)} {
		for _, p := range []Plan{{12,1,1},{202,7,1},{202,7,2},{1000,20,2},{10000,50,1}} {
			a := time.Now()
			f, err := NewForecast(d, p)
			if err != nil { t.Fatal(err) }
			fmt.Printf("%T%v %v %v: %+v q95 %v max %v bound %v err %v\n", d, d, p, time.Since(a).Round(time.Millisecond), f.Observer, f.Imbalance.Quantile(.95), f.Imbalance.Quantile(1), f.Imbalance.Bound, f.Imbalance.Error)
			if f.SharedOwn != nil { fmt.Printf("    %+v %+v\n", *f.SharedAll, *f.SharedOwn) }
		}
	}
}
