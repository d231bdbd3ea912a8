// Command terraform-provider-imageops serves the imageops provider to Terraform.
package main

import (
	"flag"
	"log"
	"os"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"

	"github.com/imageops/terraform-provider-imageops/internal/provider"
)

// version is set by the linker when a release is built.
var version = "dev"

func main() {
	debug := flag.Bool("debug", false, "serve for a debugger: print what to put into TF_REATTACH_PROVIDERS and wait")
	flag.Parse()
	var options []tf6server.ServeOpt
	if *debug {
		options = append(options, tf6server.WithManagedDebug())
	} else {
		saveUnreadLogs()
	}
	err := tf6server.Serve(provider.Address, provider.Server(version), options...)
	provider.SignOut()
	if err != nil {
		log.Fatal(err)
	}
}

// saveUnreadLogs turns logging off when Terraform shows none. By default a
// provider writes every trace, and Terraform parses each line only to drop it:
// in a plan of many resources that is a third of the time of both.
func saveUnreadLogs() {
	for _, entry := range os.Environ() {
		variable, value, _ := strings.Cut(entry, "=")
		asks := variable == "TF_LOG" || strings.HasPrefix(variable, "TF_LOG_PROVIDER") || strings.HasPrefix(variable, "TF_LOG_SDK")
		if asks && value != "" {
			return
		}
	}
	for _, variable := range []string{"TF_LOG_PROVIDER_IMAGEOPS", "TF_LOG_SDK"} {
		if err := os.Setenv(variable, "OFF"); err != nil {
			log.Fatal(err)
		}
	}
}
