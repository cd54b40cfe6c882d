// The default ids are hashes of module names, of which the entry's holds the absolute path of the
// checkout: the same source would give other assets in another folder.
module.exports = { optimization: { moduleIds: 'natural' } };
