// peer.py once more, in JavaScript on jszmq: the same roles, the same messages.
//
//     node jszmq.js ask|echo|publish|subscribe bind|connect ENDPOINT
const zmq = require('jszmq')

const [role, way, endpoint] = process.argv.slice(2)
const SIZES = [0, 1, 60, 123, 124, 125, 126, 127, 253, 254, 255, 256, 5000, 8192, 65533, 65534, 65535, 65536, 300000]
const COUNT = 500
const TIMEOUT_MS = 30000

const bytes = (size) => Buffer.from(Array.from({ length: size }, (_, i) => i % 251))
const messages = [
  ...SIZES.map((size) => [bytes(size)]),
  ['', 'two', 'x'.repeat(70000), ''].map((part) => Buffer.from(part)),
  ...Array.from({ length: COUNT }, (_, i) => [Buffer.from(`${i}`)]),
]

const same = (parts, others) =>
  parts.length === others.length && parts.every((part, i) => part.equals(Buffer.from(others[i])))

function check(fine, why) {
  if (!fine) {
    console.error(why)
    process.exit(1)
  }
}

function done() {
  console.log('done')
  // Over before the other side has read it, it would be lost to some.
  process.stdin.on('end', () => process.exit(0)).resume()
}

const roles = {
  ask() {
    const socket = new zmq.Dealer()
    let heard = 0
    socket.on('message', (...parts) => {
      check(same(parts, messages[heard++]), 'not what was sent')
      if (heard === messages.length) done()
    })
    // Once it is connected: what has nobody to go to is dropped.
    return [socket, () => messages.forEach((parts) => socket.send(parts))]
  },
  echo() {
    const socket = new zmq.Router()
    let heard = 0
    socket.on('message', (...parts) => {
      socket.send(parts)
      if (++heard === messages.length) done()
    })
    return [socket]
  },
  publish() {
    const socket = new zmq.XPub()
    socket.on('message', (subscription) => {
      check(subscription.toString() === '\x01news', 'not the subscription')
      socket.send('olds')
      for (let i = 0; i < COUNT; i++) socket.send(['news', `${i}`])
      done()
    })
    return [socket]
  },
  subscribe() {
    const socket = new zmq.Sub()
    let heard = 0
    socket.on('message', (...parts) => {
      check(same(parts, ['news', `${heard++}`]), 'not what was published')
      if (heard === COUNT) done()
    })
    socket.subscribe('news')
    return [socket]
  },
}

setTimeout(() => check(false, 'no end'), TIMEOUT_MS).unref()
const [socket, begin] = roles[role]()
socket[way](endpoint)
begin?.()
console.log(endpoint)
