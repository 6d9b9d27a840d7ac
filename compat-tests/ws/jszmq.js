// jszmq at one end. Its side of each conversation; run tells it where ours is.
//
//     node jszmq.js ask|answer|subscribe|push|pull bind|connect ENDPOINT
const zmq = require('jszmq')

const [role, way, endpoint] = process.argv.slice(2)
const COUNT = 200
const LONG = 'x'.repeat(100000)

function fail(why) {
  console.log(`jszmq: ${why}`)
  process.exit(1)
}

function done() {
  console.log('done')
  // What was sent last is still on its way.
  process.stdin.on('end', () => process.exit(0)).resume()
}

const roles = {
  ask() {
    const socket = new zmq.Req()
    let asked = 0
    const next = () => socket.send([`${asked}`, LONG])
    socket.on('message', (number, long) => {
      if (number.toString() !== `re ${asked}` || long.toString() !== LONG) fail('not the answer')
      asked += 1
      if (asked === COUNT) done()
      else next()
    })
    next()
    return socket
  },
  answer() {
    const socket = new zmq.Rep()
    let answered = 0
    socket.on('message', (number, long) => {
      socket.send([`re ${number}`, long])
      answered += 1
      if (answered === COUNT) done()
    })
    return socket
  },
  subscribe() {
    const socket = new zmq.Sub()
    let heard = 0
    socket.on('message', (topic, number) => {
      if (topic.toString() !== 'news' || number.toString() !== `${heard}`) fail('not what was published')
      heard += 1
      if (heard === COUNT) done()
    })
    socket.subscribe('news')
    return socket
  },
  push() {
    const socket = new zmq.Push()
    setImmediate(() => {
      for (let i = 0; i < COUNT; i++) socket.send(`${i}`)
      done()
    })
    return socket
  },
  pull() {
    const socket = new zmq.Pull()
    let heard = 0
    socket.on('message', (number) => {
      if (number.toString() !== `${heard}`) fail('not what was sent')
      heard += 1
      if (heard === COUNT) done()
    })
    return socket
  },
}

const socket = roles[role]()
socket[way](endpoint)
console.log('ready')
setTimeout(() => fail('no end'), 30000).unref()
