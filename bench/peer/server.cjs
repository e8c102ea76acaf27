// The server a team would otherwise write.  env: PORT, MONGO_URL, REDIS_URL, ADAPTER=redis|mem ; WS_NO_BUFFER_UTIL=1 WS_NO_UTF_8_VALIDATE=1 gives the plain `ws`; BATCH=1
const http = require('http'), { Server } = require('socket.io'), { MongoClient, ObjectId } = require('mongodb')
// Adaptive write coalescing (BATCH=1): what arrives while writes are in flight goes together in the next
function batcher(messages, conversations) {
  let q = [], running = 0
  const run = async () => {
    while (q.length) {
      const part = q.splice(0, 256), bad = new Map()
      try { await messages.insertMany(part.map((x) => x.doc), { ordered: false }) } catch (e) {
        if (e.writeErrors) for (const w of [].concat(e.writeErrors)) bad.set(w.index, w); else part.forEach((_, i) => bad.set(i, e))
      }
      const last = new Map()
      part.forEach((x, i) => bad.has(i) || last.set(x.doc.conversationId, x.update))
      if (last.size) await conversations.bulkWrite([...last].map(([k, u]) => ({ updateOne: { filter: { _id: k }, update: u } })), { ordered: false })
      part.forEach((x, i) => (bad.has(i) ? x.rej(bad.get(i)) : x.res()))
    }
    running--
  }
  return (doc, update) => new Promise((res, rej) => { q.push({ doc, update, res, rej }); if (running < 2) { running++; run() } })
}
async function main() {
  const mc = await new MongoClient(process.env.MONGO_URL, { maxPoolSize: 100 }).connect()
  const db = mc.db('perf'), messages = db.collection('messages'), conversations = db.collection('conversations')
  const save = process.env.BATCH ? batcher(messages, conversations) : async (doc, update) => {
    await messages.insertOne(doc)
    await conversations.updateOne({ _id: doc.conversationId }, update)
  }
  const opts = { transports: ['websocket'], serveClient: false }
  if (process.env.ADAPTER === 'redis') {
    const { Redis } = require('ioredis'), { createAdapter } = require('@socket.io/redis-adapter')
    const pub = new Redis(process.env.REDIS_URL)
    opts.adapter = createAdapter(pub, pub.duplicate())
  }
  const server = http.createServer(), io = new Server(server, opts)
  io.on('connection', (s) => {
    const { user, room } = s.handshake.auth
    if (room) s.join(room)
    s.on('message:send', async (d, ack) => {
      const doc = { _id: new ObjectId(), conversationId: d.conversationId, senderId: user, text: d.text,
        clientMessageId: d.clientMessageId, createdAt: new Date() }
      await save(doc, { $set: { lastMessage: { id: doc._id, text: d.text, senderId: user }, updatedAt: doc.createdAt } })
      const id = doc._id.toHexString()
      io.to(d.conversationId).emit('message:new', { id, conversationId: d.conversationId, senderId: user, text: d.text,
        clientMessageId: d.clientMessageId, createdAt: doc.createdAt.toISOString() })
      ack({ ok: true, id })
    })
    s.on('cast', (d, ack) => { // fan-out without the database
      io.to(d.conversationId).emit('message:new', { id: '000000000000000000000000', conversationId: d.conversationId,
        senderId: user, text: d.text, clientMessageId: d.clientMessageId, createdAt: new Date().toISOString() })
      ack({ ok: true })
    })
  })
  server.listen(+process.env.PORT, '127.0.0.1', 4096, () => console.log('READY'))
}
main()
