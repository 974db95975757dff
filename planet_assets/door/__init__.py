"""What stands behind the manager: `wiring` opens what is needed, `carrying` runs plans, `syncing` is the weekly job,
`holding` the files, `reaching` the sites, `desk` the orders, `choosing` what comes before a plan. `manager` is the door
that people see."""
