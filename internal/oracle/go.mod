module github.com/imageops/terraform-provider-imageops/internal/oracle

go 1.26

replace github.com/imageops/terraform-provider-imageops => ../..

require (
	github.com/huaweicloud/huaweicloud-sdk-go-v3 v0.1.207
	github.com/imageops/terraform-provider-imageops v0.0.0
	pgregory.net/rapid v1.3.0
)

require (
	github.com/json-iterator/go v1.1.13-0.20220915233716-71ac16282d12 // indirect
	github.com/modern-go/concurrent v0.0.0-20180228061459-e0a39a4cb421 // indirect
	github.com/modern-go/reflect2 v1.0.2 // indirect
	github.com/tjfoc/gmsm v1.4.1 // indirect
	go.mongodb.org/mongo-driver v1.13.1 // indirect
	gopkg.in/ini.v1 v1.67.0 // indirect
)
