package betterauth

// NoSuchID is for tests with the errors of drivers.
var NoSuchID = noSuchID

// Statements returns every statement with a name, for golden tests.
func (b *Backend) Statements() map[string]string {
	all := map[string]string{
		"session by token": b.statements.byToken.text, "sessions by user": b.statements.byUser.text, "session by id": b.statements.byID.text,
		"user with membership": b.statements.standing.text, "organization roles": b.statements.roles.text, "extend session": b.statements.refresh,
		"end preserved session": b.statements.end, "delete session": b.statements.delete, "delete sessions of user": b.statements.deleteByUser,
		"delete expired session": b.statements.deleteExpired,
	}
	if q := b.keyQueries; q != nil {
		for name, text := range map[string]string{
			"key by key": q.byKey.text, "key by id": q.byID.text, "delete key": q.remove, "take use": q.take, "refill": q.refill,
			"refill first": q.refillFirst, "touch key": q.touch, "count key": q.count, "start window": q.start, "restart window": q.restart,
			"save key": q.saved,
		} {
			all[name] = text
		}
	}
	return all
}
