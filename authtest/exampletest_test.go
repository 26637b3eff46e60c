package authtest_test

import (
	"context"
	"fmt"
	"testing"
)

// exampleTest stands in for the test that an example does not have.
type exampleTest struct{ testing.TB }

func (exampleTest) Helper()                      {}
func (exampleTest) Context() context.Context     { return context.Background() }
func (exampleTest) Logf(string, ...any)          {}
func (exampleTest) Fatal(args ...any)            { panic(fmt.Sprint(args...)) }
func (exampleTest) Fatalf(f string, args ...any) { panic(fmt.Sprintf(f, args...)) }
