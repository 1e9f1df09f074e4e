// Reads files of deploy/ as the programs that they are for read them, and prints what they say as JSON:
//
//	check compose FILE   a compose file, by the parser of `docker compose`: its schema, its variables, what refers to what
//	check rules FILE     Prometheus's alert rules, by Prometheus's own parser, with what each reads: metric → labels
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

func compose(file string) (any, error) {
	options, err := cli.NewProjectOptions(
		[]string{file}, cli.WithWorkingDirectory(filepath.Dir(file)), cli.WithOsEnv, cli.WithProfiles([]string{"*"}),
	)
	if err != nil {
		return nil, err
	}
	return options.LoadProject(context.Background())
}

func rules(file string) (any, error) {
	groups, errs := rulefmt.ParseFile(file, false, model.UTF8Validation)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	found := map[string]any{}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			expression, err := parser.ParseExpr(rule.Expr)
			if err != nil {
				return nil, err
			}
			reads := map[string][]string{}
			parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
				if selector, ok := node.(*parser.VectorSelector); ok {
					reads[selector.Name] = append([]string{}, reads[selector.Name]...)
					for _, matcher := range selector.LabelMatchers {
						if matcher.Name != model.MetricNameLabel {
							reads[selector.Name] = append(reads[selector.Name], matcher.Name)
						}
					}
				}
				return nil
			})
			found[rule.Alert] = map[string]any{"reads": reads, "labels": rule.Labels, "annotations": rule.Annotations}
		}
	}
	return found, nil
}

func main() {
	reads := map[string]func(string) (any, error){"compose": compose, "rules": rules}
	if len(os.Args) != 3 || reads[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "check compose FILE, or check rules FILE")
		os.Exit(2)
	}
	found, err := reads[os.Args[1]](os.Args[2])
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(found)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
